"""All stores of personal data, in the order in which they must be erased."""

from agent.memory.personal import MemoryOfPerson
from app.bootstrap import Runtime, client_memory
from channels.personal import ThreadsOfPerson
from core.personal import PersonalData
from core.personal_conversations import ConversationsOfPerson
from crm.personal import BookOfPerson


def personal_data(runtime: Runtime) -> PersonalData:
    database = runtime.database
    stores = (
        ConversationsOfPerson(database, runtime.settings.data_dir),  # found through the messengers' threads
        ThreadsOfPerson(database),
        BookOfPerson(database),
        MemoryOfPerson(client_memory(runtime, runtime.clock)),
    )
    return PersonalData(database, stores, runtime.secrets.api_key_pepper, runtime.clock)
