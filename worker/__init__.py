"""Celery's side: hear the bell, take parts, compute them, commit them; and the sweeper that mends what was lost."""
