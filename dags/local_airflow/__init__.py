"""The embedded Airflow of one machine: what `make demo`, `make up` and `make down` run.

No DAG file and no stage is in here; it only starts Airflow's own processes, asks them for runs and reports.
"""
