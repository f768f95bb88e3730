"""What holds for every test."""

import os

import hypothesis

# No deadlines: the machine may be busy. The nightly profile looks much longer.
hypothesis.settings.register_profile("gate", deadline=None, max_examples=300)
hypothesis.settings.register_profile("nightly", deadline=None, max_examples=5000)
hypothesis.settings.load_profile(os.environ.get("NOVA_LITE_HYPOTHESIS_PROFILE", "gate"))
