"""Seeds of tests and examples, shifted before either is collected."""

from tests.chance import shift_seeds

shift_seeds()
