"""`python -m harness.scenario > scenarios/scenario.schema.json`: the JSON Schema of the language."""

import sys

from harness.scenario.schema import schema_text

sys.stdout.buffer.write(schema_text().encode())
