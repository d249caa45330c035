"""The client of Mutirão for Python: `Client`, and `mutirao.aio.Client` for asyncio."""

from .aio import Task, new_task_id
from .client import Client
from .errors import MutiraoError, TaskFailed

__all__ = ["Client", "MutiraoError", "Task", "TaskFailed", "new_task_id"]
