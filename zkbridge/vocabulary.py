"""The words that terminal numbers become in payloads. Tables only.

Source: protocol.md 8.2, 8.3, 9.1, 9.2; contract 4. Words are for ever: automations match them.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

PUNCH_TYPES: Final = (
    "check_in",
    "check_out",
    "break_out",
    "break_in",
    "overtime_in",
    "overtime_out",
)
OTHER_PUNCH: Final = "punch"
OTHER_OPERATION: Final = "operation"

VERIFY_METHODS: Final[Mapping[int, str]] = MappingProxyType(
    {
        0: "password",
        1: "fingerprint",
        2: "card",
        3: "password",
        4: "card",
        5: "fingerprint_or_password",
        6: "fingerprint_or_card",
        7: "password_or_card",
        8: "pin_and_fingerprint",
        9: "fingerprint_and_password",
        10: "fingerprint_and_card",
        11: "password_and_card",
        12: "fingerprint_and_password_and_card",
        13: "pin_and_fingerprint_and_password",
        14: "fingerprint_and_card_or_pin",
        15: "face",
        16: "face_and_fingerprint",
        17: "face_and_password",
        18: "face_and_card",
        19: "face_and_fingerprint_and_card",
        20: "face_and_fingerprint_and_password",
        21: "finger_vein",
        22: "finger_vein_and_password",
        23: "finger_vein_and_card",
        24: "finger_vein_and_password_and_card",
        25: "palm",
        26: "palm_and_card",
        27: "palm_and_face",
        28: "palm_and_fingerprint",
        29: "palm_and_fingerprint_and_face",
        255: "undefined",
    }
)

OPERATIONS: Final[Mapping[int, str]] = MappingProxyType(
    {
        0: "power_on",
        1: "power_off",
        2: "verify_failed",
        3: "alarm",
        4: "menu_entered",
        5: "setting_changed",
        6: "fingerprint_enrolled",
        7: "password_enrolled",
        8: "card_enrolled",
        9: "user_deleted",
        10: "fingerprint_deleted",
        11: "password_deleted",
        12: "card_deleted",
        13: "data_cleared",
        14: "mf_card_created",
        15: "mf_card_enrolled",
        16: "mf_card_registered",
        17: "mf_card_unregistered",
        18: "mf_card_cleared",
        19: "copied_to_card",
        20: "copied_from_card",
        21: "clock_set",
        22: "factory_reset",
        23: "attendance_cleared",
        24: "admins_cleared",
        25: "access_group_changed",
        26: "user_access_changed",
        27: "access_time_zone_changed",
        28: "unlock_combination_changed",
        29: "door_unlocked",
        30: "user_enrolled",
        31: "fingerprint_changed",
        32: "duress",
        33: "doorbell",
        34: "anti_passback",
        35: "attendance_photo_deleted",
        36: "user_changed",
        37: "holiday_changed",
        38: "data_restored",
        39: "data_backed_up",
        40: "usb_upload",
        41: "usb_download",
        53: "exit_button",
        54: "door_sensor",
        55: "alarm_triggered",
        56: "parameters_restored",
        68: "user_photo_added",
        69: "user_photo_changed",
        70: "user_name_changed",
        71: "user_permission_changed",
        76: "network_changed",
        77: "network_changed",
        78: "network_changed",
        79: "network_changed",
        80: "comm_key_changed",
        81: "device_id_changed",
        82: "cloud_server_changed",
        83: "cloud_server_changed",
        92: "firmware_upgraded",
        100: "card_changed",
        101: "face_enrolled",
        102: "permission_changed",
        103: "permission_deleted",
        104: "permission_added",
        106: "face_deleted",
        107: "user_photo_deleted",
        113: "user_password_changed",
        114: "face_changed",
        117: "operator_password_wrong",
        118: "operator_locked",
        121: "finger_vein_enrolled",
        122: "finger_vein_changed",
        123: "finger_vein_deleted",
        124: "palm_enrolled",
        125: "palm_changed",
        126: "palm_deleted",
    }
)

USER_CHANGES: Final = frozenset(
    {*range(6, 13), 30, 31, 36, *range(68, 72), *range(100, 105), 106, 107, 113, 114}
    | set(range(121, 127))
)
LOG_CLEARED_OPERATIONS: Final = frozenset({13, 22, 23})

ALARM_TYPES: Final = (
    "tamper",
    "forced_door",
    "door_open",
    "door_closed",
    "exit_button",
    "duress",
    "passback",
    "verify_failed",
    "misoperation",
    "alarm",
)


def punch_type(code: int) -> str:
    """Name the key that a person pressed; unknown keys are plain punches."""
    return PUNCH_TYPES[code] if 0 <= code < len(PUNCH_TYPES) else OTHER_PUNCH


def verified_by(code: int) -> str:
    """Name how a person was recognised; unknown numbers become ``code_<n>``."""
    return VERIFY_METHODS.get(code, f"code_{code}")


def operation_type(code: int) -> str:
    """Name an op-log entry; unknown numbers become ``operation``."""
    return OPERATIONS.get(code, OTHER_OPERATION)
