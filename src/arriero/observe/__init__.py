"""What the events of calls become: lines of a log, spans and metrics, a log for auditors."""
