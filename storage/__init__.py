"""PostgreSQL, and the only room that speaks SQL: datasets, arrays as tiles, and the state machine of jobs."""
