"""The problems of ids that name nothing."""

from uuid import UUID

from contracts.problems import NOT_FOUND, ProblemError


def no_job(job: UUID) -> ProblemError:
    return NOT_FOUND.error(f"There is no job {job}.")


def no_dataset(dataset: str) -> ProblemError:
    return NOT_FOUND.error(f"There is no dataset {dataset}.")
