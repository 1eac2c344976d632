"""Tries an address for the page: what answers there, and which of its reads work."""

from collections.abc import Mapping

from zkbridge.asking import reads
from zkbridge.polling.worker import trouble_of
from zkbridge.troubles import TROUBLES
from zkbridge.web import TerminalAddress
from zkbridge.zk import ZKDevice, ZKError


def try_terminal(address: TerminalAddress) -> Mapping[str, object]:
    """Ask a terminal what it is; blocks for as long as that takes.

    Returns:
        What :data:`zkbridge.web.TerminalTest` says.
    """
    device = ZKDevice(
        address.host, address.port, address.comm_key, kind=address.transport, handshake=False
    )
    try:
        with device:
            info = device.device_info()
            refused = reads(device)
    except ZKError as error:
        trouble = trouble_of(error)
        advice = TROUBLES[trouble]
        return {"status": trouble.value, "text": advice.text, "cure": advice.cure}
    return {
        "status": "ok",
        "serial": info.serial,
        "model": info.capabilities.get("~DeviceName"),
        "firmware": info.firmware,
        "platform": info.platform,
        "mac": device.mac,
        "users": info.users_count,
        "punches": info.attendance_count,
        "reads": {name: True if error is None else str(error) for name, error in refused.items()},
    }
