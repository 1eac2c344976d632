"""The fault laboratory: everything breaks at seeded random moments, and every punch is counted."""
