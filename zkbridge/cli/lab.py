"""Commands around terminals that are not configured yet, or not real: discover, simulate, demo."""

import signal
import sys
import threading
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

import typer

from zkbridge.cli import options as o
from zkbridge.cli.failures import Failure, UsageFault
from zkbridge.cli.messages import note
from zkbridge.cli.output import Bar, Column, Destination, sheet
from zkbridge.discover import (
    GENTLE_ADDRESSES,
    TERMINAL_PORT,
    addresses,
    local_networks,
    network,
    search,
)

app = typer.Typer()

_FOUND = (
    Column("host", "Address", 15),
    Column("transport", "Over"),
    Column("serial", "Serial", 16),
    Column("name", "Model", 12),
    Column("firmware", "Firmware", 20),
    Column("remark", "Remark"),
)


@app.command(epilog="Example: zkbridge discover 192.168.1.0/24")
def discover(
    *,
    networks: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NETWORK]...",
            help="Private networks like 192.168.1.0/24; default: this machine's.",
            show_default=False,
        ),
    ] = None,
    port: o.Port = TERMINAL_PORT,
    timeout: Annotated[str, typer.Option(help="How long an address may take to answer.")] = "2s",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before many.")] = False,
    as_json: o.AsJson = False,
    as_csv: o.AsCsv = False,
    output: o.Output = None,
) -> None:
    """Find terminals on the local network: one gentle probe and a clean goodbye each."""
    look = o.style(as_json=as_json, as_csv=as_csv)
    timeout_s = o.seconds("--timeout", timeout)
    try:
        wanted = [network(text) for text in networks or ()] or local_networks()
    except ValueError as error:
        raise UsageFault(str(error)) from error
    if not wanted:
        raise UsageFault("this machine is in no private network; give one like 192.168.1.0/24")
    hosts = sum(each.num_addresses for each in wanted)
    if hosts > GENTLE_ADDRESSES and not yes:
        _ask(hosts)
    note(f"looking at {', '.join(map(str, wanted))} ...")
    with Destination(output) as file:
        writer = sheet(file, look, _FOUND)
        everywhere = addresses(wanted)
        with Bar("addresses", len(everywhere)) as bar:
            found = list(search(everywhere, port=port, timeout_s=timeout_s, step=bar.step))
        for each in found:
            remark = "wants a comm key" if each.needs_key else each.problem
            writer.add(
                {
                    "host": each.host,
                    "port": each.port,
                    "transport": each.transport,
                    "serial": each.serial,
                    "name": each.name,
                    "firmware": each.firmware,
                    "remark": remark,
                }
            )
        writer.finish()
    note(f"{len(found)} found")


def _ask(hosts: int) -> None:
    if not sys.stdin.isatty():
        raise UsageFault(f"these are {hosts} addresses; say --yes to ask them all")
    if not typer.confirm(f"Ask {hosts} addresses?", err=True):
        raise typer.Abort


@app.command(epilog="Example: zkbridge simulate --terminals 2 --users 50 --punch-every 5s")
def simulate(
    *,
    terminals: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 1,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="First port, one after the other; 0: free ones.")
    ] = TERMINAL_PORT,
    users: Annotated[int, typer.Option(min=0, max=65535, help="People on each.")] = 25,
    punches: Annotated[int, typer.Option(min=0, help="Punches in each log.")] = 1000,
    punch_every: Annotated[
        str | None, typer.Option(help="Somebody punches that often: 5s.", show_default=False)
    ] = None,
    comm_key: o.CommKey = "0",
    transport: Annotated[
        Literal["both", "tcp", "udp"], typer.Option(help="Sockets of each.")
    ] = "both",
    latency: Annotated[str, typer.Option(help="Time before each answer.")] = "0",
    bandwidth: Annotated[float, typer.Option(min=0, help="Bytes per second; 0: all.")] = 0,
    timezone: o.Timezone = None,
    clock_offset: Annotated[
        float, typer.Option(help="How wrong the clock is, in seconds; positive: ahead.")
    ] = 0,
    punch_size: Annotated[int, typer.Option(help="Bytes of a record: 8, 16, 40 or 49.")] = 40,
    user_size: Annotated[int, typer.Option(help="Bytes of a user: 28 or 72.")] = 72,
    replay: Annotated[
        Path | None,
        typer.Option(help="Serve a recording made by zkbridge capture.", show_default=False),
    ] = None,
) -> None:
    """Be one or more terminals, real protocol on real sockets, until Ctrl-C."""
    from zkbridge import simulator  # noqa: PLC0415 - nothing else needs it

    key = o.address(host, 1, comm_key, "auto", "10s", "utf-8").comm_key
    if punch_size not in {8, 16, 40, 49} or user_size not in {28, 72}:
        raise UsageFault("--punch-size is 8, 16, 40 or 49, --user-size is 28 or 72")
    every = None if punch_every is None else o.seconds("--punch-every", punch_every)

    def show(terminal: simulator.SimulatedTerminal, punch: simulator.SimulatedPunch) -> None:
        now = datetime.now().astimezone()
        print(f"{now:%H:%M:%S} port {terminal.port}: user {punch.user_id} punches", flush=True)

    try:
        fleet = simulator.simulate(
            terminals,
            host=host,
            port=port,
            users=users,
            punches=punches,
            punch_every_s=every,
            comm_key=key,
            latency_s=o.seconds("--latency", latency),
            bandwidth=bandwidth,
            transport=transport,
            timezone=timezone,
            clock_offset_s=clock_offset,
            replay=replay,
            on_punch=show,
            punch_size=punch_size,
            user_size=user_size,
        )
    except simulator.RecordingError as error:
        raise Failure(f"{replay}: {error}; record it again with zkbridge capture") from error
    except ValueError as error:
        raise UsageFault(str(error)) from error
    with fleet:
        for terminal in fleet.terminals:
            print(f"terminal at {terminal.host}:{terminal.port}", flush=True)
        _until_stopped()


def _until_stopped() -> None:
    stopped = threading.Event()
    for kind in (signal.SIGINT, signal.SIGTERM):
        signal.signal(kind, lambda *_: stopped.set())
    stopped.wait()


@app.command()
def demo(
    *,
    seconds: Annotated[
        float | None,
        typer.Option(envvar="DEMO_SECONDS", min=0, help="End after that time.", show_default=False),
    ] = None,
) -> None:
    """Show it all: two simulated terminals, a broker, and the real bridge between them."""
    from zkbridge.demo import DemoError, play  # noqa: PLC0415 - nothing else needs it

    try:
        play(lambda line: print(line, flush=True), seconds)
    except DemoError as error:
        raise Failure(str(error)) from error
