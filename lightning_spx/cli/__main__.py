"""Runs `python -m lightning_spx.cli`, for launchers that start modules, such as torchrun."""

from lightning_spx.cli.main import main

if __name__ == "__main__":
    main()
