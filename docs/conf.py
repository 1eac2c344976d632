"""Sphinx configuration of the documentation."""  # noqa: INP001 - Sphinx reads a file

import sys
from importlib.metadata import version as installed_version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "zkbridge"
author = "The zkbridge authors"
project_copyright = author
version = release = installed_version("zkbridge")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "zkbridge_docs",
]
exclude_patterns = ["_build", "_ext"]
source_suffix = {".md": "markdown"}

myst_enable_extensions = ["attrs_block", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
autoclass_content = "both"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 80
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True

html_theme = "furo"
html_title = f"zkbridge {release}"
html_static_path = ["_static"]
html_css_files = ["zkbridge.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
# Nothing is loaded from other hosts: the built pages work without a network.
html_theme_options = {"navigation_with_keys": True}
