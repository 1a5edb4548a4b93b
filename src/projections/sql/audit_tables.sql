-- The audit view. Sketch for 10 million runs of four steps: 10 million rows of about 500 bytes with six indices, 40
-- million rows of steps with their key alone, and some millions of tags. A page is a range of one index, newest first.
CREATE TABLE {amends_audit_runs} (
    run_id text PRIMARY KEY,
    saga text,
    saga_version bigint,
    started_at timestamptz,
    started_position bigint,
    deadline timestamptz,
    tags text, -- JSON
    owner text,
    epoch bigint,
    attempts bigint DEFAULT 0,
    undo_attempts bigint DEFAULT 0,
    failing_reason text,
    failing_action text,
    failing_step text,
    failing_by text,
    failing_at timestamptz,
    failing_version bigint,
    error_type text,
    error text,
    parked_reason text,
    parked_detail text,
    parked_at timestamptz,
    remaining text, -- JSON
    unresolved text, -- JSON
    outcome text,
    ended_at timestamptz,
    completed_at timestamptz, -- when its saga returned, also if it was undone later
    committed_at timestamptz,
    abandoned_by text,
    abandoned_reason text,
    wait_count bigint DEFAULT 0, -- waits whose time was not up; a signal may have ended some of them
    version bigint,
    last_position bigint,
    last_at timestamptz,
    state text GENERATED ALWAYS AS (
        CASE
            WHEN outcome IS NOT NULL THEN outcome
            WHEN parked_reason IS NOT NULL THEN 'parked'
            WHEN failing_reason IS NOT NULL THEN 'unwinding'
            ELSE 'running'
        END
    ) STORED
);
CREATE INDEX {amends_audit_runs_start_idx} ON {amends_audit_runs} (started_at, started_position);
CREATE INDEX {amends_audit_runs_state_idx} ON {amends_audit_runs} (state, started_at, started_position);
CREATE INDEX {amends_audit_runs_saga_idx} ON {amends_audit_runs} (saga, started_at, started_position);
CREATE INDEX {amends_audit_runs_saga_state_idx} ON {amends_audit_runs} (saga, state, started_at, started_position);
CREATE INDEX {amends_audit_runs_action_idx} ON {amends_audit_runs} (failing_action, started_at, started_position)
WHERE failing_action IS NOT NULL;
CREATE INDEX {amends_audit_runs_error_idx} ON {amends_audit_runs} (started_at, started_position)
WHERE error IS NOT NULL OR parked_detail IS NOT NULL;
CREATE INDEX {amends_audit_runs_waiting_idx} ON {amends_audit_runs} (started_at, started_position)
WHERE wait_count > 0 AND state = 'running';

CREATE TABLE {amends_audit_steps} (
    run_id text,
    step text,
    action text,
    idempotency_key text,
    irreversible boolean,
    started_at timestamptz, -- of the first attempt
    started_position bigint,
    attempt_at timestamptz, -- of the last one
    ended_at timestamptz,
    attempts bigint,
    phase text, -- what the last event said; see audit_rows.py for the state that follows from it
    doubtful boolean DEFAULT false, -- an attempt's outcome is unknown, and none has succeeded since
    unknown_why text,
    version bigint, -- of the last event about the doing
    retry_at timestamptz,
    error_type text,
    error text,
    undo_phase text,
    undo_version bigint, -- of the last event about the undoing
    undo_attempts bigint,
    undo_started_at timestamptz, -- of the first attempt
    undo_ended_at timestamptz,
    undo_retry_at timestamptz,
    undo_error_type text,
    undo_error text,
    waived_by text,
    waived_reason text,
    resumed_version bigint, -- of the last command to try it again
    resumed_at timestamptz,
    PRIMARY KEY (run_id, step)
) -- unless sqlite
) WITHOUT ROWID -- if sqlite
;

CREATE TABLE {amends_audit_tags} (
    name text,
    value text,
    started_at timestamptz,
    position bigint,
    run_id text,
    PRIMARY KEY (name, value, started_at, position)
) -- unless sqlite
) WITHOUT ROWID -- if sqlite
;

CREATE TABLE {amends_audit_commands} (
    position bigint PRIMARY KEY,
    run_id text,
    kind text, -- cancel, retry, resume, waive, abandon, undo, signal, view
    by_whom text,
    reason text,
    given_at timestamptz,
    steps text, -- JSON
    signal text, -- its name
    signal_key text
);
CREATE INDEX {amends_audit_commands_run_idx} ON {amends_audit_commands} (run_id, position);

CREATE TABLE {amends_audit_waits} (
    run_id text,
    step text,
    signal text, -- its name; none for a sleep, or where there is a slot
    slot text, -- a lock, or a limit of the saga
    began_at timestamptz,
    began_position bigint,
    due_at timestamptz,
    fired_at timestamptz, -- its time was up; see audit_waits.py for what else ends a wait
    fired_position bigint,
    PRIMARY KEY (run_id, step)
) -- unless sqlite
) WITHOUT ROWID -- if sqlite
;
