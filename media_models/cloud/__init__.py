"""Speech engines that live at a vendor. Everything that leaves this machine for them passes `gate.py`."""
