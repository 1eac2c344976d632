"""zkbridge: ZKTeco terminals to MQTT and Home Assistant."""
