"""The RQ dashboard of `hub dev`: there, for those who know the key, and able to read what the relay writes."""

import httpx2
import redis
from rq import Queue
from rq.serializers import JSONSerializer

from delivery.bell import DELIVER
from tests.dev.running import Dev


def test_the_dashboard_shows_the_queues(tmp_path):
    """Nothing without the key; with it the queues and their JSON jobs. It listens on loopback and deletes nothing."""
    with Dev(tmp_path / "data", delivery=True) as dev:
        described = dev.described()
        url, credentials = described["dashboard"], ("hub", described["api_key"])
        assert url.startswith("http://127.0.0.1:")
        assert httpx2.get(f"{url}/").status_code == 401
        assert httpx2.get(f"{url}/", auth=("hub", "wrong")).status_code == 401
        connection = redis.Redis.from_url(described["redis_url"])
        Queue("parked", connection=connection, serializer=JSONSerializer).enqueue(DELIVER, [["0" * 32]], job_id="bell")
        with httpx2.Client(base_url=url, auth=credentials) as client:
            assert client.get("/").status_code == 200
            queues = client.get("/0/data/queues.json").json()["queues"]
            assert {"name": "parked", "count": 1} in [{"name": q["name"], "count": q["count"]} for q in queues]
            (job,) = client.get("/0/data/jobs/parked/queued/10/asc/1.json").json()["jobs"]
            assert "0" * 32 in job["description"]
            assert client.post("/job/bell/delete").json() == {"status": "DISABLED"}
        connection.close()
