"""The command line as its users see it: real processes against simulated terminals."""
