"""The lifecycle hook function that the harness deploys: `index.py` is its source, `package` makes its zip."""
