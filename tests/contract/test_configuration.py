"""Options are where they belong and say what they are for."""

import importlib.metadata
import pathlib
import subprocess
import sys

import pytest
from oslo_config import cfg

from nova_lite import conf

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
OPTIONS = [(group or "DEFAULT", opt) for group, opts in conf.list_opts() for opt in opts]


@pytest.mark.parametrize(
    ("group", "opt"), OPTIONS, ids=lambda value: getattr(value, "name", value)
)
def test_every_option_has_help(group: str, opt: cfg.Opt) -> None:
    assert opt.help
    assert len(opt.help) > 15
    assert opt.help.endswith((".", "``"))


def test_every_section_is_listed() -> None:
    files = {path.stem for path in (CHECKOUT / "nova_lite" / "conf").glob("*.py")}
    assert files - {"__init__"} == set(conf.SECTIONS)


def test_the_sample_can_be_made(tmp_path: pathlib.Path) -> None:
    if not importlib.metadata.entry_points(group="oslo.config.opts", name="nova_lite"):
        pytest.skip("nova_lite is not installed, so the generator does not find it")
    sample = tmp_path / "sample.conf"
    subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "oslo_config.generator",
         "--config-file", "etc/nova_lite/config-generator.conf", "--output-file", str(sample)],
        cwd=CHECKOUT, check=True, timeout=120, capture_output=True,
    )  # fmt: skip
    text = sample.read_text()
    for group, opt in OPTIONS:
        assert f"[{group}]" in text
        assert f"#{opt.dest} =" in text or f"# {opt.dest} =" in text, opt.dest


def test_import_contracts() -> None:
    """Law 7, and S1: nothing of Cinder or Glance is imported."""
    done = subprocess.run(
        [str(pathlib.Path(sys.executable).with_name("lint-imports"))],
        cwd=CHECKOUT, timeout=180, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
