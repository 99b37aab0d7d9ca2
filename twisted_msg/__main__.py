"""`python -m twisted_msg`: the same command as `tcpmsg`.

Law of this file: it starts the command, and does nothing else.
"""

import sys

from twisted_msg.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
