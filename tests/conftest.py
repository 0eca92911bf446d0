import pytest


@pytest.fixture
def error_of():
    """The one line that a call fails with."""

    def error_of(function, *args, **options):
        with pytest.raises((ValueError, OSError)) as error:
            function(*args, **options)
        assert len(str(error.value).splitlines()) == 1
        assert ".part-" not in str(error.value)  # a name that nobody asked for
        return str(error.value)

    return error_of
