"""One style of command line (命令行): commands are declared, wrong ones are one sentence, an exit code says the rest.

Built on the standard library's argparse: importing typer costs 40 ms of CPU more at every start, and would add nothing.

Exit codes: 0 done; 1 the answer is no (a verdict failed, a delivery was refused or is incomplete, something is not
clean); 2 the command, a declaration or the settings are wrong; 70 nobody foresaw it; 141 the reader closed the pipe.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NoReturn

from ingestion.foundation.declarations import DeclarationsInvalid, find_nearest
from ingestion.foundation.events import listen_as_set
from ingestion.foundation.settings import Settings, SettingsInvalid, load_settings
from ingestion.foundation.tracebacks import keep_traceback, name_place

DONE, NO, WRONG, UNFORESEEN, PIPE_CLOSED = 0, 1, 2, 70, 141
ExitCodes = Mapping[type[Exception], int]


class CommandWrong(Exception):
    """What was typed is no command; the sentence says what would be right."""


@dataclass(frozen=True)
class Argument:
    """One argument of a command, in argparse's words."""

    names: tuple[str, ...]
    options: Mapping[str, Any]


def argument(*names: str, **options: Any) -> Argument:
    """Declare an argument: its name or spellings, and what argparse's `add_argument` takes."""
    return Argument(names, options)


BUSINESS_DATE = argument("--date", type=date.fromisoformat, required=True, help="business date, yyyy-mm-dd")


@dataclass(frozen=True)
class Command:
    """One command: what it does, an example that is shown and tested, and what its expected errors mean.

    `run` returns the exit code, or None for done. `exit_codes` is asked only when an error has come, so that it may
    import what raises. One that `passes_on` hands its words to another program, `--help` among them.
    """

    name: str
    summary: str
    run: Callable[[argparse.Namespace, Settings], int | None]
    example: str
    arguments: tuple[Argument, ...] = ()
    exit_codes: Callable[[], ExitCodes] = field(default=lambda: {})
    passes_on: bool = False


@dataclass(frozen=True)
class Group:
    """Commands below one name, such as `quarantine list` and `quarantine show`."""

    name: str
    summary: str
    commands: tuple[Command, ...]


def run_program(
    program: str, description: str, commands: Command | Sequence[Command | Group], argv: Sequence[str] | None = None
) -> int:
    """Run the command that was typed, under the settings of the environment, and return its exit code.

    A program of one command names it alone; otherwise the command is the first word.
    """
    given = argparse.Namespace()

    def parse_and_run() -> int:
        build_parser(program, description, commands).parse_args(argv, given)
        return int(given.command.run(given, listen_as_set(load_settings())) or DONE)

    def read_exit_codes() -> ExitCodes:
        return given.command.exit_codes() if hasattr(given, "command") else {}

    return run_command(parse_and_run, read_exit_codes)


def run_command(command: Callable[[], int], exit_codes: ExitCodes | Callable[[], ExitCodes]) -> int:
    """Run a command; an expected error becomes one sentence on standard error and the exit code in `exit_codes`.

    An unforeseen one is reported by kind and place, for its own words may quote data; they and the traceback are kept
    in a file for its owner alone, which the sentence names.
    """
    try:
        code: int = command()
        sys.stdout.flush()
    except SystemExit as end:  # argparse, after it has shown a help text
        return int(end.code or DONE)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more when it ends
        return PIPE_CLOSED
    except Exception as error:
        known = exit_codes() if callable(exit_codes) else exit_codes
        codes = {CommandWrong: WRONG, DeclarationsInvalid: WRONG, SettingsInvalid: WRONG, **known}
        for kind in type(error).__mro__:
            if kind in codes:
                print(error, file=sys.stderr)
                return codes[kind]
        print(
            f"{type(error).__name__} at {name_place(error)} was not foreseen; report these words, and keep"
            f" {keep_traceback(error)}, which may quote data and which only you can read.",
            file=sys.stderr,
        )
        return UNFORESEEN
    return code


class CommandParser(argparse.ArgumentParser):
    """argparse whose errors are `CommandWrong`: one sentence with the nearest right word or an example."""

    example = ""
    _typed: Sequence[str] = ()

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"allow_abbrev": False, "formatter_class": argparse.RawDescriptionHelpFormatter, **options})
        self.register("type", date.fromisoformat, parse_date)
        self.register("type", int, parse_whole_number)

    def error(self, message: str) -> NoReturn:
        named = re.match(r"argument (?P<name>[^:]+): (?P<problem>.*)", message, re.DOTALL)
        missing = re.match(r"the following arguments are required: (?P<names>.*)", message)
        if missing:
            self._refuse_unknown(self._typed)
            raise CommandWrong(f"{self.prog} wants {missing['names']}; {self._remedy()}.")
        if named and named["problem"].startswith("expected"):
            raise CommandWrong(f"{self.prog}: {named['name']} {named['problem']}; {self._remedy()}.")
        raise CommandWrong(f"{named['name'].split('/')[-1]}: {named['problem']}." if named else f"{message}.")

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        given, rest = self.parse_known_args(args, namespace)
        if rest:
            parser = getattr(given, "parser", self)
            parser._refuse_unknown(rest)
            raise CommandWrong(f"{parser.prog} does not take {rest[0]}; {parser._remedy()}.")
        return given

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        self._typed = list(sys.argv[1:] if args is None else args)
        return super().parse_known_args(args, namespace)

    def _refuse_unknown(self, words: Sequence[str]) -> None:
        """Name the first word that looks like an option and is none."""
        options = [option for action in self._actions for option in action.option_strings]
        for word in (word.split("=")[0] for word in words):
            if re.fullmatch(r"--?[a-zA-Z][\w-]*", word) and word not in options:
                raise CommandWrong(f"{self.prog} does not take {word}; {suggest_nearest(word, options)}.")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            choices = [str(choice) for choice in action.choices]
            raise CommandWrong(f"{self.prog} does not know {value}; {suggest_nearest(str(value), choices)}.")

    def _remedy(self) -> str:
        if self.example:
            return f"write for example: {self.example}"
        known = [name for action in self._actions for name in action.choices or () if action.nargs == argparse.PARSER]
        return f"it knows {', '.join(known)}" if known else f"see {self.prog} --help"


def build_parser(program: str, description: str, commands: Command | Sequence[Command | Group]) -> CommandParser:
    """The parser of declared commands; what it parses carries the `command` and its `parser`."""
    parser = CommandParser(prog=program, description=description)
    if isinstance(commands, Command):
        _declare(parser, commands, program)
    else:
        _add_commands(parser, commands, program)
    return parser


def list_commands(commands: Sequence[Command | Group]) -> Iterator[Command]:
    """Every command, those of groups in their place."""
    for entry in commands:
        yield from entry.commands if isinstance(entry, Group) else (entry,)


def suggest_nearest(word: str, known: Sequence[str]) -> str:
    """What to write in place of a word that is not known: the nearest known one, or all of them."""
    near = find_nearest(word, known)
    return f"the nearest that it knows is {near}" if near else f"it knows {', '.join(known) or 'none'}"


def parse_date(text: str) -> date:
    """A business date from the command line."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        reason = f": {error}" if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text) else ""
        raise argparse.ArgumentTypeError(f"{text} is no date{reason}; write yyyy-mm-dd, such as 2026-03-02") from None


def parse_whole_number(text: str) -> int:
    """A whole number from the command line."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is no whole number; write one such as 1000") from None


def _add_commands(parser: CommandParser, commands: Sequence[Command | Group], program: str) -> None:
    below = parser.add_subparsers(required=True, metavar="a command", dest="typed")
    for entry in commands:
        if isinstance(entry, Group):
            group = below.add_parser(entry.name, help=entry.summary, description=entry.summary)
            _add_commands(group, entry.commands, program)
            continue
        options: dict[str, Any] = {"help": entry.summary, "description": entry.summary}
        if entry.passes_on:
            options |= {"add_help": False, "prefix_chars": "\0"}  # so that no word looks like an option
        _declare(below.add_parser(entry.name, **options), entry, program)


def _declare(parser: CommandParser, command: Command, program: str) -> None:
    parser.example = f"{program} {command.example}"
    parser.epilog = f"example:\n  {parser.example}"
    parser.set_defaults(command=command, parser=parser)
    for declared in command.arguments:
        parser.add_argument(*declared.names, **declared.options)
