"""What the strict simulators of outside systems share: faults, serving, the control that tests hold on to."""
