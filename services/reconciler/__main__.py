"""`rds-csi-reconciler`."""

from services.reconciler.app import main

if __name__ == "__main__":
    main()
