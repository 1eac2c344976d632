"""The Home Assistant add-on: the Supervisor's options and MQTT service become configuration.

Nothing of the container but Python is needed, so that all of this runs and is tested outside
one. The bridge itself is started through a callable; it knows nothing of the Supervisor.
"""

from zkbridge.addon.options import FIELDS, configuration
from zkbridge.addon.run import AddOn, Run, main

__all__ = ["FIELDS", "AddOn", "Run", "configuration", "main"]
