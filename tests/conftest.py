"""What every test directory may ask for."""

pytest_plugins = ["pytester", "tests.fixtures", "tests.reporting", "tests.spreading"]
