"""`rds-csi-node`."""

from services.node.app import main

if __name__ == "__main__":
    main()
