-- When an assignment was made known: a device that was installed from its first word on and never said
-- one is missed from then on.
ALTER TABLE device_assignment ADD COLUMN noted_at timestamptz NOT NULL DEFAULT now();

-- Messages that were refused for their time, which tell of a clock that is wrong.
CREATE INDEX refused_message_clock ON refused_message (received_at)
    WHERE reason IN ('clock_ahead', 'clock_behind');

-- What of the Curb Data Specification's sensor events is known: comms_lost and comms_restored. Who is
-- taken away while lost is not restored by it.
CREATE VIEW device_comms_event AS
SELECT device_id, 'comms_lost' AS event_type, since AS at FROM device_fault WHERE kind = 'comms_lost'
UNION ALL
SELECT device_id, 'comms_restored', until FROM device_fault
WHERE kind = 'comms_lost' AND EXISTS (
    SELECT FROM device_assignment
    WHERE device_assignment.device_id = device_fault.device_id AND during @> until);
