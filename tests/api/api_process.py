"""An API process to be killed: reads its settings and the socket to serve as JSON from its standard input."""

import asyncio
import json
import socket
import sys
from ipaddress import ip_network

import uvicorn
from pydantic import SecretStr

from app.main import create_app
from app.settings import Settings

given = json.load(sys.stdin)
app = create_app(
    Settings(
        database_url=SecretStr(given["url"]),
        master_key=SecretStr(given["master_key"]),
        public_url=given["public_url"],
        egress_allow=(ip_network("127.0.0.0/8"),),
        test_clock=True,
    )
)
listener = socket.socket(fileno=given["fd"])
asyncio.run(uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False)).serve([listener]))
