"""nginx before the example site, where this machine has one; set up as docs/nginx.md says. Asked by `demo.py`."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

PLACES = "/usr/sbin:/usr/local/sbin:/opt/homebrew/bin"
"""Where nginx lies on systems that do not have it in everybody's path."""


def nginx() -> str | None:
    """The program, if there is one."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', os.defpath)}:{PLACES}")


def command(program: str, folder: Path, port: int, behind: int) -> list[str]:
    """Write a configuration that needs nothing of this machine's, and say how to start nginx with it.

    Args:
        program: nginx.
        folder: for the configuration and what nginx writes; `b2router-http.conf` and `b2router-server.conf`, printed by
            `manage.py b2router nginx`, are there.
        port: where visitors come, on 127.0.0.1.
        behind: where the site listens.
    """
    temporary = "\n".join(
        f"    {kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    conf = folder / "nginx.conf"
    conf.write_text(f"""
{"user root;" if os.geteuid() == 0 else ""}
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
events {{ worker_connections 256; }}
http {{
    access_log off;
{temporary}
    client_max_body_size 20m;
    include b2router-http.conf;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://127.0.0.1:{behind};
            proxy_set_header Host $http_host;
            proxy_buffer_size 16k;
            proxy_buffers 16 64k;
            proxy_max_temp_file_size 0;
        }}
        include b2router-server.conf;
    }}
}}
""")
    return [program, "-p", str(folder), "-c", str(conf), "-e", "stderr"]
