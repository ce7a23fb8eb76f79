"""`python -m forex_assets`."""

from forex_assets.cli import main

if __name__ == "__main__":
    main()
