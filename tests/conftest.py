"""What every test directory may ask for."""

pytest_plugins = ["tests.fixtures", "tests.reporting", "tests.spreading"]
