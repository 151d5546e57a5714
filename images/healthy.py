"""The health check of the images: ask an address, and say what it answers where that is not 200."""  # noqa: INP001 (no package: it is copied into images)

import sys
import urllib.error
import urllib.request

LIMIT = 3.0


def main() -> None:
    """Ask the address on the command line; end with 1 where it is not well."""
    try:
        with urllib.request.urlopen(sys.argv[1], timeout=LIMIT):  # noqa: S310 (ours)
            pass
    except urllib.error.HTTPError as error:
        sys.exit(f"{error.code}: {error.read().decode(errors='replace')}")
    except OSError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
