"""Install `exp`; every fact about the package is read from settings.ini."""
from configparser import ConfigParser
from pathlib import Path

from setuptools import setup

here = Path(__file__).parent
config = ConfigParser(delimiters=["="])
config.read(here / "settings.ini", encoding="utf-8")
facts = config["DEFAULT"]

setup(
    name=facts["lib_name"],
    version=facts["version"],
    description=facts["description"],
    long_description=(here / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author=facts["author"],
    license=facts["license"],
    url=facts["git_url"],
    python_requires=f">={facts['min_python']}",
    packages=[facts["lib_name"]],
    package_data={facts["lib_name"]: ["*.json"]},  # what the workbooks know of their lessons
    install_requires=facts["requirements"].split(),
    extras_require={"dev": facts["dev_requirements"].split()},
)
