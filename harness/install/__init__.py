"""Makes the environment of a checkout, `.venv`, with what a make target needs, by uv where it is there, else by pip.

Before it nothing is installed: it needs the standard library alone, imports nothing of this project, and is not part of the package.
`with-python.sh` finds it a Python. `python -E -s -S -m harness.install` is that quick because it must not slow down a `make` that has
nothing to install.
"""
