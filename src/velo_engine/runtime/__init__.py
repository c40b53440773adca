"""Running a plan: ingestion, the pipeline of operators, the job and what it gives back."""
