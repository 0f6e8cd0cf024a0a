"""`arriero models ...`: what a server has, and how to change it.

Commands join the group by importing `models` from `arriero.cli.models.group`; their modules
are imported here, in the order in which help shows them.
"""

from arriero.cli.models import catalogue as catalogue
from arriero.cli.models import transfers as transfers

from arriero.cli.models import proving as proving  # isort: skip
from arriero.cli.models import warming as warming  # isort: skip
from arriero.cli.models import planned as planned  # isort: skip
from arriero.cli.models import past as past  # isort: skip
from arriero.cli.models.group import models as models
