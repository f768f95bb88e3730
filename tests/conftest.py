"""What holds for every test."""

import os

import hypothesis

# No deadlines: the machine may be busy. The gate tries the same examples each time,
# so that it fails for a change and not for its luck; the nightly profile looks further.
hypothesis.settings.register_profile(
    "gate", deadline=None, max_examples=300, derandomize=True, database=None
)
hypothesis.settings.register_profile("nightly", deadline=None, max_examples=5000)
hypothesis.settings.load_profile(os.environ.get("NOVA_LITE_HYPOTHESIS_PROFILE", "gate"))
