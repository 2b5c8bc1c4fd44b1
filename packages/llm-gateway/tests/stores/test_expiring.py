from llm_gateway.stores.expiring import ExpiringRecords


def test_records_end_when_their_time_is_over():
    records = ExpiringRecords()
    records.keep({"a": b"1"}, 1000, 0)
    records.keep({"a": b"2", "b": b"3"}, 5000, 500)

    assert records.recall(["a", "b", "c"], 1500) == {"a": b"2", "b": b"3"}
    assert records.recall(["a", "b"], 5000) == {}
    assert records.forget(["a"], 5000) == 0


def test_the_oldest_go_where_all_together_take_too_much():
    records = ExpiringRecords(max_bytes=10_000)
    for number in range(100):
        records.keep({str(number): b"x" * 800}, 1000, 0)

    kept = records.recall([str(number) for number in range(100)], 1)
    assert 5 <= len(kept) <= 12
    assert "99" in kept


def test_rewriting_a_record_does_not_grow():
    records = ExpiringRecords()
    for number in range(10_000):
        records.keep({"a": b"x"}, 1000 + number, 0)

    assert len(records._ends) < 2000
