"""Sphinx configuration; built with warnings as errors (``tox -e docs``)."""

import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "docs" / "_ext")]

import nova_lite  # noqa: E402

project = "nova_lite"
copyright = "the nova_lite authors"
release = version = nova_lite.__version__
extensions = ["transitions", "options", "drift"]
exclude_patterns = ["_build"]
html_theme = "alabaster"
html_theme_options = {
    "description": "A compact OpenStack Compute service built around block storage",
    "fixed_sidebar": True,
}
html_show_sphinx = False
nitpicky = True
