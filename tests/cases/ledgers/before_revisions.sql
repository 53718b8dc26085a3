-- A ledger as it was made before its revisions were recorded, with a row in each table.
BEGIN TRANSACTION;
CREATE TABLE deliveries (
	delivery_id VARCHAR(64) NOT NULL,
	source VARCHAR(64) NOT NULL,
	dataset VARCHAR(64) NOT NULL,
	batch_date DATE NOT NULL,
	sequence INTEGER NOT NULL,
	version INTEGER NOT NULL,
	content_hash VARCHAR(64) NOT NULL,
	contract_version VARCHAR(32) NOT NULL,
	token_key VARCHAR(32),
	state VARCHAR(16) NOT NULL,
	reason TEXT,
	received_at VARCHAR(32) NOT NULL,
	superseded_at VARCHAR(32),
	file_name TEXT NOT NULL,
	file_size BIGINT NOT NULL,
	file_mtime_ns BIGINT NOT NULL,
	rows_in BIGINT NOT NULL,
	rows_landed BIGINT NOT NULL,
	rows_quarantined BIGINT NOT NULL,
	published_in VARCHAR(64),
	PRIMARY KEY (delivery_id)
);
INSERT INTO "deliveries" VALUES('d1','bank_a','loans','2026-03-02',1,1,'h1','1.0.0','hmac-sha256:1','landed',NULL,'2026-03-03T08:00:00+08:00',NULL,'loans.csv',10,1,3,2,1,'2026-03-02-aaaa');
CREATE TABLE publications (
	sequence INTEGER NOT NULL,
	set_name VARCHAR(64) NOT NULL,
	version VARCHAR(64) NOT NULL,
	batch_date DATE NOT NULL,
	run VARCHAR(128) NOT NULL,
	fingerprint VARCHAR(64) NOT NULL,
	row_counts JSON NOT NULL,
	PRIMARY KEY (sequence),
	UNIQUE (set_name, version)
);
INSERT INTO "publications" VALUES(1,'warehouse','2026-03-02-aaaa','2026-03-02','run','f1','{"fct_loans": 2}');
CREATE TABLE quarantine_openings (
	opening_id INTEGER NOT NULL,
	delivery_id VARCHAR(64) NOT NULL,
	actor VARCHAR(64) NOT NULL,
	reason TEXT NOT NULL,
	opened_at VARCHAR(32) NOT NULL,
	PRIMARY KEY (opening_id)
);
INSERT INTO "quarantine_openings" VALUES(1,'d1','me','ticket 7','2026-03-04T08:00:00+08:00');
CREATE TABLE replays (
	delivery_id VARCHAR(64) NOT NULL,
	replay_id VARCHAR(64) NOT NULL,
	PRIMARY KEY (delivery_id)
);
INSERT INTO "replays" VALUES('d1','d2');
CREATE TABLE verdicts (
	sequence INTEGER NOT NULL,
	verdict_id VARCHAR(32) NOT NULL,
	gate VARCHAR(64) NOT NULL,
	table_name VARCHAR(128) NOT NULL,
	batch_date DATE NOT NULL,
	fingerprint VARCHAR(32) NOT NULL,
	outcome VARCHAR(24) NOT NULL,
	suite_version VARCHAR(32) NOT NULL,
	row_count BIGINT NOT NULL,
	check_count INTEGER NOT NULL,
	failures JSON NOT NULL,
	PRIMARY KEY (sequence),
	UNIQUE (verdict_id)
);
INSERT INTO "verdicts" VALUES(7,'v1','core','fct_loans','2026-03-02','f1','PASS','s1',2,3,'[]');
CREATE INDEX ix_deliveries_by_date ON deliveries (source, dataset, batch_date);
CREATE INDEX ix_verdicts_by_date ON verdicts (gate, batch_date, table_name);
COMMIT;
