# Generated from arriero/__init__.py by tools/stub.py: edit that file.

from arriero._async.client import AsyncClient as AsyncClient
from arriero._core.events import BreakerChanged as BreakerChanged
from arriero._core.events import CallAdmitted as CallAdmitted
from arriero._core.events import CallEnded as CallEnded
from arriero._core.events import CallStarted as CallStarted
from arriero._core.events import ContentJudged as ContentJudged
from arriero._core.events import FirstRecord as FirstRecord
from arriero._core.events import Instrument as Instrument
from arriero._core.events import RecordsArrived as RecordsArrived
from arriero._core.events import StreamOpened as StreamOpened
from arriero._core.events import TryEnded as TryEnded
from arriero._core.http import HttpInfo as HttpInfo
from arriero._core.sketch import Spread as Spread
from arriero._core.statistics import CacheStatistics as CacheStatistics
from arriero._core.statistics import Connections as Connections
from arriero._core.statistics import Statistics as Statistics
from arriero._doctor.examine import doctor as doctor
from arriero._doctor.rules.findings import Diagnosis as Diagnosis
from arriero._doctor.rules.findings import Finding as Finding
from arriero._drive.async_stream import AsyncStream as AsyncStream
from arriero._drive.blocking import BlockingCallWarning as BlockingCallWarning
from arriero._drive.stream import Stream as Stream
from arriero._sync.client import Client as Client
from arriero._transport.pins import spki_pin as spki_pin
from arriero.content import Content as Content
from arriero.content import ContentAnswer as ContentAnswer
from arriero.content import ContentRequest as ContentRequest
from arriero.content import Refuse as Refuse
from arriero.egress import Egress as Egress
from arriero.egress import EgressDecision as EgressDecision
from arriero.errors import AccessDenied as AccessDenied
from arriero.errors import ApplyFailed as ApplyFailed
from arriero.errors import ArrieroError as ArrieroError
from arriero.errors import AuditFailed as AuditFailed
from arriero.errors import BadRequest as BadRequest
from arriero.errors import CallCancelled as CallCancelled
from arriero.errors import CapabilityError as CapabilityError
from arriero.errors import CertificateNotPinned as CertificateNotPinned
from arriero.errors import CircuitOpen as CircuitOpen
from arriero.errors import ClientClosed as ClientClosed
from arriero.errors import ConnectFailed as ConnectFailed
from arriero.errors import ConnectionLost as ConnectionLost
from arriero.errors import ContentRefused as ContentRefused
from arriero.errors import ContextOverflow as ContextOverflow
from arriero.errors import CredentialError as CredentialError
from arriero.errors import DeadlineExceeded as DeadlineExceeded
from arriero.errors import DiskFull as DiskFull
from arriero.errors import EgressDenied as EgressDenied
from arriero.errors import LimitReached as LimitReached
from arriero.errors import MissingExtra as MissingExtra
from arriero.errors import ModelNotFound as ModelNotFound
from arriero.errors import NotFound as NotFound
from arriero.errors import ParseError as ParseError
from arriero.errors import PolicyError as PolicyError
from arriero.errors import ProtocolError as ProtocolError
from arriero.errors import RateLimited as RateLimited
from arriero.errors import RequestError as RequestError
from arriero.errors import ResponseError as ResponseError
from arriero.errors import ServerBusy as ServerBusy
from arriero.errors import ServerError as ServerError
from arriero.errors import StatusError as StatusError
from arriero.errors import StreamFailed as StreamFailed
from arriero.errors import StreamIncomplete as StreamIncomplete
from arriero.errors import ToolError as ToolError
from arriero.errors import TransportError as TransportError
from arriero.errors import VerificationFailed as VerificationFailed
from arriero.identity import OAuth2ClientCredentials as OAuth2ClientCredentials
from arriero.identity import SecurityWarning as SecurityWarning
from arriero.identity import Token as Token
from arriero.identity import TokenFile as TokenFile
from arriero.observe.audit import AuditLog as AuditLog
from arriero.observe.logs import EventLog as EventLog
from arriero.observe.logs import log_events as log_events
from arriero.observe.telemetry import Telemetry as Telemetry
from arriero.observe.verify import AuditReport as AuditReport
from arriero.observe.verify import verify_audit as verify_audit
from arriero.server import Server as Server
from arriero.server import serve as serve
from arriero.settings import Breaker as Breaker
from arriero.settings import Cache as Cache
from arriero.settings import CallPolicy as CallPolicy
from arriero.settings import Limits as Limits
from arriero.settings import Pool as Pool
from arriero.settings import RedisRates as RedisRates
from arriero.settings import Retry as Retry
from arriero.settings import Timeouts as Timeouts
from arriero.settings import Tls as Tls
from arriero.tools import run_tools as run_tools
from arriero.tools import run_tools_async as run_tools_async
from arriero.tools import tool_message as tool_message
from arriero.types.chat import ChatResponse as ChatResponse
from arriero.types.chat import GenerateResponse as GenerateResponse
from arriero.types.chat import Logprob as Logprob
from arriero.types.chat import Message as Message
from arriero.types.chat import TokenLogprob as TokenLogprob
from arriero.types.embed import EmbeddingsResponse as EmbeddingsResponse
from arriero.types.embed import EmbedResponse as EmbedResponse
from arriero.types.ensured import EnsureResponse as EnsureResponse
from arriero.types.ensured import PullPolicy as PullPolicy
from arriero.types.ensured import SmokeTest as SmokeTest
from arriero.types.image import Image as Image
from arriero.types.models import ListResponse as ListResponse
from arriero.types.models import ModelDetails as ModelDetails
from arriero.types.models import ProcessResponse as ProcessResponse
from arriero.types.models import ProgressResponse as ProgressResponse
from arriero.types.models import ShowResponse as ShowResponse
from arriero.types.models import StatusResponse as StatusResponse
from arriero.types.options import Options as Options
from arriero.types.raw import RawRecord as RawRecord
from arriero.types.raw import RawResponse as RawResponse
from arriero.types.service import MeResponse as MeResponse
from arriero.types.service import ServerStatusResponse as ServerStatusResponse
from arriero.types.service import SystemOneAnswer as SystemOneAnswer
from arriero.types.service import SystemOneChoiceAnswer as SystemOneChoiceAnswer
from arriero.types.service import SystemOneChoiceQuestion as SystemOneChoiceQuestion
from arriero.types.service import SystemOneContent as SystemOneContent
from arriero.types.service import SystemOneNoulAnswer as SystemOneNoulAnswer
from arriero.types.service import SystemOneNoulQuestion as SystemOneNoulQuestion
from arriero.types.service import SystemOneQuestion as SystemOneQuestion
from arriero.types.service import SystemOneRequest as SystemOneRequest
from arriero.types.service import SystemOneResponse as SystemOneResponse
from arriero.types.service import SystemOneScoreAnswer as SystemOneScoreAnswer
from arriero.types.service import SystemOneScoreQuestion as SystemOneScoreQuestion
from arriero.types.service import SystemOneUsage as SystemOneUsage
from arriero.types.service import VersionResponse as VersionResponse
from arriero.types.service import WebFetchResponse as WebFetchResponse
from arriero.types.service import WebSearchResponse as WebSearchResponse
from arriero.types.service import WebSearchResult as WebSearchResult
from arriero.types.tool import Tool as Tool

__version__: str

_client: Client
blob_exists = _client.blob_exists
chat = _client.chat
copy = _client.copy
create = _client.create
create_blob = _client.create_blob
delete = _client.delete
embed = _client.embed
embed_array = _client.embed_array
embeddings = _client.embeddings
ensure = _client.ensure
generate = _client.generate
list = _client.list
load = _client.load
me = _client.me
ps = _client.ps
pull = _client.pull
push = _client.push
request = _client.request
show = _client.show
status = _client.status
systemone = _client.systemone
unload = _client.unload
version = _client.version
web_fetch = _client.web_fetch
web_search = _client.web_search
