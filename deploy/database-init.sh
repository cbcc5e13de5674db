#!/bin/sh
# Run once, by the database's image, in an empty volume: copies (backup-follow, backup-make) come by the containers' network, and
# what the image writes into pg_hba.conf lets nobody replicate from there.
echo 'host replication all all scram-sha-256' >> "$PGDATA/pg_hba.conf"
