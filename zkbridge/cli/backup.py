"""Commands that save what a terminal holds: photo, templates, and an anonymised recording."""

import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Final

import typer

from zkbridge.asking import served
from zkbridge.cli import options as o
from zkbridge.cli.ask import connected
from zkbridge.cli.failures import Failure
from zkbridge.cli.messages import note
from zkbridge.cli.output import Bar, Destination, as_json, write_private
from zkbridge.logs import printable
from zkbridge.zk import FaceTemplate, FingerTemplate, ZKDevice, ZKNotSupported

app = typer.Typer()

_INDEX: Final = "templates.json"

Whose = Annotated[str, typer.Argument(metavar="USER_ID", show_default=False)]
PhotoFile = Annotated[
    Path,
    typer.Option("-o", "--output", help="JPEG file; - is standard output.", show_default=False),
]
Folder = Annotated[Path, typer.Option("-o", "--output", help="Folder.", show_default=False)]


@app.command(epilog="Example: zkbridge photo 192.168.1.201 1042 -o ana.jpg")
def photo(
    host: o.Host,
    user_id: Whose,
    output: PhotoFile,
    *,
    port: o.Port = 4370,
    comm_key: o.CommKey = "0",
    transport: o.Transport = "auto",
    timeout: o.Timeout = "10s",
) -> None:
    """Save a user's portrait."""
    address = o.address(host, port, comm_key, transport, timeout, "utf-8")
    with connected(address) as device:
        image = device.user_photo(user_id)
    if not image:
        raise Failure(f"no portrait of user {user_id} there; zkbridge users {host} lists who is")
    if str(output) == "-":
        sys.stdout.buffer.write(image)
    else:
        write_private(output, image)


@app.command(epilog="Example: zkbridge templates 192.168.1.201 -o backup/")
def templates(
    host: o.Host,
    output: Folder,
    *,
    port: o.Port = 4370,
    comm_key: o.CommKey = "0",
    transport: o.Transport = "auto",
    timeout: o.Timeout = "10s",
) -> None:
    """Save fingerprint and face templates, with an index of whose they are."""
    address = o.address(host, port, comm_key, transport, timeout, "utf-8")
    with connected(address) as device:
        owners = {user.uid: user.user_id for user in served(device, device.users)}
        with Bar("templates", None) as bar:
            fingers = list(bar.counted(served(device, device.fingerprint_templates)))
            faces = _faces(device, bar)
    output.mkdir(mode=0o700, parents=True, exist_ok=True)
    index = []
    saved: list[FingerTemplate | FaceTemplate] = [*fingers, *faces]
    for each in saved:
        name = _file_name(each)
        write_private(output / name, each.data)
        index.append({"file": name, "uid": each.uid, "user_id": owners.get(each.uid)})
    write_private(output / _INDEX, (as_json(index) + "\n").encode())
    note(f"{len(fingers)} fingerprints and {len(faces)} faces are in {output}")


def _faces(device: ZKDevice, bar: Bar) -> list[FaceTemplate]:
    try:
        return list(bar.counted(served(device, device.face_templates)))
    except ZKNotSupported:
        note("this terminal offers no face templates")
        return []


def _file_name(template: FingerTemplate | FaceTemplate) -> str:
    # Numbers only: nothing that a terminal says becomes part of a path.
    if isinstance(template, FingerTemplate):
        return f"finger-{template.uid}-{template.finger_index}.bin"
    return f"face-{template.uid}.bin"


@app.command(epilog="Example: zkbridge capture 192.168.1.201 -o terminal.zkrec")
def capture(
    host: o.Host,
    output: Annotated[Path, typer.Option("-o", "--output", help="Recording.", show_default=False)],
    *,
    port: o.Port = 4370,
    comm_key: o.CommKey = "0",
    transport: o.Transport = "auto",
    timeout: o.Timeout = "10s",
) -> None:
    """Record a session that reads everything, for support; nobody is recognisable in it."""
    from zkbridge.capture import anonymised, record  # noqa: PLC0415 - nothing else needs them
    from zkbridge.simulator import RecordingWriter  # noqa: PLC0415 - the same

    address = o.address(host, port, comm_key, transport, timeout, "utf-8")

    def step(what: str, failed: str | None) -> None:
        note(f"{what}: {'recorded' if failed is None else printable(failed)}")

    packets, spoken = record(
        address.host,
        address.port,
        address.comm_key,
        address.timeout_s,
        kind=address.transport,
        step=step,
    )
    with Destination(output, private=True) as file:
        writer = RecordingWriter(file, spoken, software=f"zkbridge {version('zkbridge')}")
        for packet in anonymised(packets):
            writer.add(packet.direction, packet.packet, packet.at_s)
    note(
        f"{len(packets)} packets are in {output}: names, ids, PINs, cards, templates, serial and"
        f" addresses are replaced; zkbridge simulate --replay {output} serves it"
    )
