"""Workers' jobs for Debian's layers: archives fetched and unpacked, farms linked, scripts run."""
