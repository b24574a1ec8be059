"""The site: `nox -s site` builds it, in English and Chinese, from the documents, docstrings and examples.

After a change of the first page, the book or the exercises: `sphinx-intl update -p site/.pot -d docs/locale -l zh_CN`,
then translate what is new in docs/locale; the others' messages need not be kept.
"""

import sys
from pathlib import Path

from sphinx.search.zh import SearchChinese

import xpnn

SearchChinese.language_name = "English"  # by which the page's script finds the stemmer: Sphinx 9.0 names a missing one

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests")]

project = "xpnn"
author = "the xpnn developers"
version = release = xpnn.__version__
language = "en"
locale_dirs = ["locale"]
gettext_compact = False
gettext_uuid = gettext_location = False

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_gallery.gen_gallery",
    "extensions.computed",
    "extensions.docstrings",
    "extensions.equations",
    "extensions.links",
    "extensions.mathml",
]
source_suffix = {".md": "markdown"}
exclude_patterns = ["extensions", "locale", "auto_examples/*.ipynb", "sg_execution_times.md", "sg_execution_times.rst"]
source_suffix[".rst"] = "restructuredtext"  # sphinx-gallery's
myst_enable_extensions = ["dollarmath", "deflist"]
myst_heading_anchors = 3
suppress_warnings = ["config.cache"]  # sphinx-gallery's settings hold functions
nitpicky = False

if tags.has("gettext"):  # noqa: F821 (Sphinx defines it). What is translated: no docstrings, no examples
    extensions = ["myst_parser", *(name for name in extensions if name.endswith(("computed", "equations", "links")))]
    exclude_patterns += ["api/*", "auto_examples/*"]
    suppress_warnings += ["toc.excluded", "myst.xref_missing"]

html_theme = "pydata_sphinx_theme"
html_math_renderer = "mathml"
html_static_path = ["_static"]
html_css_files = ["site.css"]
templates_path = ["_templates"]
html_show_sourcelink = False
html_copy_source = False
html_title = "xpnn"
html_context = {"default_mode": "auto"}  # light or dark, as the browser is
html_theme_options = {
    "navbar_end": ["languages", "theme-switcher"],
    "navbar_persistent": ["search-button"],
    "footer_start": [],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
    "show_prev_next": True,
}
html_sidebars = {"index": []}

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_class_signature = "mixed"
napoleon_numpy_docstring = False
napoleon_use_ivar = True

sphinx_gallery_conf = {
    "reset_argv": lambda conf, script: ["--short"],  # the site shows how they go, on fewer data
    "within_subsection_order": "ExampleTitleSortKey",
    "download_all_examples": False,
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"\.py$",
    "abort_on_example_error": True,
    "show_memory": False,
    "show_signature": False,
    "min_reported_time": 1e9,
    "remove_config_comments": True,
    "write_computation_times": False,
}
