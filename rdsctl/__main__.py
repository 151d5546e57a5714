"""`rdsctl`."""

from rdsctl.app import main

if __name__ == "__main__":
    main()
