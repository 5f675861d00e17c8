"""The dispatcher of `espnet-ee`: its table, its messages, its exit codes."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest

from espnet_ee.bin import main as command
from espnet_ee.errors import DataError
from espnet_ee.version import __version__


@pytest.fixture
def toy(monkeypatch):
    """A subcommand `toy` with one option; set `.action` to what it shall do."""

    def add_arguments(parser):
        parser.add_argument("--policy", required=True)
        parser.add_argument("--threshold", type=float, default=0.0)

    module = SimpleNamespace(add_arguments=add_arguments, action=lambda args: 0)
    module.run = lambda args: module.action(args)
    monkeypatch.setattr(command, "SUBCOMMANDS", {"toy": ("toy_module", "A toy.")})
    monkeypatch.setitem(sys.modules, "toy_module", module)
    return module


@pytest.mark.parametrize("name", command.SUBCOMMANDS)
def test_every_subcommand_can_be_loaded(name):
    module = command.load(name)
    assert callable(module.add_arguments)
    assert callable(module.run)


@pytest.mark.parametrize("name", command.SUBCOMMANDS)
def test_every_subcommand_has_help(name, capsys):
    with pytest.raises(SystemExit) as end:
        command.main([name, "--help"])
    assert end.value.code == 0
    assert f"usage: espnet-ee {name}" in capsys.readouterr().out


def test_help_lists_every_subcommand(capsys):
    with pytest.raises(SystemExit) as end:
        command.main(["--help"])
    assert end.value.code == 0
    printed = capsys.readouterr().out
    assert all(f"  {name}" in printed for name in command.SUBCOMMANDS)


def test_version(capsys):
    with pytest.raises(SystemExit) as end:
        command.main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out == f"espnet-ee {__version__}\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["swep"], "espnet-ee: unknown subcommand swep (did you mean sweep?)"),
        (["zzz"], "espnet-ee: unknown subcommand zzz; there are recognize, sweep"),
        (["--verison"], "unknown option --verison (did you mean --version?)"),
        ([], "SUBCOMMAND"),
    ],
)
def test_a_wrong_subcommand_names_the_nearest(words, message, capsys):
    with pytest.raises(SystemExit) as end:
        command.main(words)
    assert end.value.code == command.EXIT_USAGE
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--polcy", "entropy"], "espnet-ee toy: unknown option --polcy (did you mean --policy?)"),
        (["--policy", "p", "--xyz=3"], "espnet-ee toy: unknown option --xyz\n"),
        (["--pol", "p"], "unknown option --pol"),
        (["--threshold", "-0.5"], "the following arguments are required: --policy"),
        (["--policy", "p", "stray"], "unrecognized arguments: stray"),
    ],
)
def test_a_wrong_option_names_the_nearest(toy, words, message, capsys):
    with pytest.raises(SystemExit) as end:
        command.main(["toy", *words])
    assert end.value.code == command.EXIT_USAGE
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("text", ["-0.5", "-1e-3", "-inf", "-2", "-.5", "0.25", "inf"])
def test_negative_numbers_are_values(toy, text):
    seen = []
    toy.action = lambda args: seen.append(args.threshold) or 0
    assert command.main(["toy", "--policy", "p", "--threshold", text]) == 0
    assert seen == [float(text)]


def test_the_exit_code_is_the_subcommands(toy):
    toy.action = lambda args: 1
    assert command.main(["toy", "--policy", "p"]) == 1


def test_our_errors_are_one_message(toy, capsys):
    def fail(args):
        raise DataError("a.wav has no samples.", got="0 samples", fix="record again")

    toy.action = fail
    assert command.main(["toy", "--policy", "p"]) == command.EXIT_ERROR
    want = "DataError: a.wav has no samples.\n  got:  0 samples\n  fix:  record again\n"
    assert capsys.readouterr().err == want


def test_an_interrupt_is_reported_as_a_shell_does(toy, capsys):
    def interrupt(args):
        raise KeyboardInterrupt

    toy.action = interrupt
    assert command.main(["toy", "--policy", "p"]) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_a_reader_that_goes_away_is_no_error_message():
    code = (
        "import sys\n"
        "from types import SimpleNamespace\n"
        "from espnet_ee.bin import main as command\n"
        "def run(args):\n"
        "    for _ in range(100000):\n"
        "        print('a line')\n"
        "    return 0\n"
        "sys.modules['toy'] = SimpleNamespace(add_arguments=lambda p: None, run=run)\n"
        "command.SUBCOMMANDS['toy'] = ('toy', 'A toy.')\n"
        "sys.exit(command.main(['toy']))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == command.EXIT_BROKEN_PIPE


def test_python_minus_m_is_the_same_command():
    done = subprocess.run(
        [sys.executable, "-m", "espnet_ee", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"espnet-ee {__version__}\n"
