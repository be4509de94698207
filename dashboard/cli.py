"""The `flask` commands. No logic: each asks a service or starts a process."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from uuid import UUID

import click
from flask import Flask, current_app
from flask.cli import AppGroup

from dashboard import demo, wiring
from dashboard.config import SettingsError
from dashboard.doctor import check_master_keys, findings, refuse_to_start
from dashboard.models import Role
from dashboard.secret import Secret
from dashboard.services.key_rotation import NewestKeyWrong
from dashboard.services.refusals import Refusal
from jobs import scheduler, worker

practice = AppGroup("practice", help="Practices.")
user = AppGroup("user", help="People who sign in.")
keys = AppGroup("keys", help="The master keys that lock tokens.")


def register(app: Flask) -> None:
    """Give the app its commands."""
    app.cli.add_command(practice)
    app.cli.add_command(user)
    app.cli.add_command(keys)
    for command in (run_worker, run_scheduler, run_demo, doctor):
        app.cli.add_command(command)


@practice.command("create")
@click.argument("name")
@click.option("--admin-email", required=True)
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
def create_practice(name: str, admin_email: str, password_stdin: bool) -> None:
    """Create a practice and its first admin; prints the practice's id alone on the last line."""
    password = _password(password_stdin)
    click.echo(_done(lambda: wiring.practices().create_practice(name, admin_email, password)))


@user.command("create")
@click.argument("email")
@click.option("--practice", "practice_id", required=True, type=click.UUID)
@click.option("--role", type=click.Choice([role.value for role in Role]), required=True)
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
def create_user(email: str, practice_id: UUID, role: str, password_stdin: bool) -> None:
    """Create a user of a practice; prints the user's id alone on the last line."""
    password = _password(password_stdin)
    click.echo(
        _done(lambda: wiring.practices().create_user(practice_id, email, password, Role(role)))
    )


@click.command("worker")
@click.option("--burst", is_flag=True, help="Stop when nothing is left to do.")
def run_worker(burst: bool) -> None:
    """Do the work that the database holds due. Any number may run, on any number of machines."""
    _refuse_wrong_keys()
    worker.run(current_app._get_current_object(), burst)  # type: ignore[attr-defined]


@click.command("scheduler")
def run_scheduler() -> None:
    """Ring the bells on time. Several may run; one leads."""
    _refuse_wrong_keys()
    scheduler.run(current_app._get_current_object())  # type: ignore[attr-defined]


@keys.command("rotate")
def rotate_keys() -> None:
    """Lock every stored token with the newest master key.

    Safe while everything runs, and to be stopped and started again at any moment. Exits 1 when
    values stay on an older key, and says which.
    """
    started = time.monotonic()
    try:
        rotation = wiring.key_rotation().rotate(_progress(started))
    except NewestKeyWrong as wrong:
        raise click.ClickException(str(wrong)) from wrong
    seconds = time.monotonic() - started
    pace = f"{rotation.relocked / seconds:,.0f} a second"
    click.echo(f"{rotation.relocked:,} values locked anew in {seconds:.1f} s ({pace}).")
    for sentence in rotation.sentences:
        click.echo(sentence)
    if not rotation.is_complete:
        sys.exit(1)


@click.command("demo")
def run_demo() -> None:
    """Run everything with demo data and a Xero simulator."""
    demo.run()


@click.command("doctor")
def doctor() -> None:
    """Say what is wrong with this installation; exits 1 if anything is."""
    wrong = findings(current_app)
    for sentence in wrong:
        click.echo(sentence)
    if wrong:
        sys.exit(1)
    click.echo("Nothing is wrong.")


def _progress(said_at: float) -> Callable[[int], None]:
    """Return what hears of each batch and says about once a second how many values are done."""
    done = 0

    def on_batch(relocked: int) -> None:
        nonlocal done, said_at
        done += relocked
        if time.monotonic() - said_at >= 1:
            said_at = time.monotonic()
            click.echo(f"{done:,} values so far")

    return on_batch


def _refuse_wrong_keys() -> None:
    try:
        check_master_keys(current_app)
    except SettingsError as wrong:
        refuse_to_start(wrong)


def _password(from_stdin: bool) -> Secret:
    if from_stdin:
        return Secret(sys.stdin.readline().rstrip("\r\n"))
    return Secret(click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))


def _done(make: Callable[[], UUID]) -> str:
    try:
        return str(make())
    except Refusal as refusal:
        raise click.ClickException(refusal.text) from refusal
