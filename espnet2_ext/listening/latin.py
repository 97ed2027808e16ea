"""Orders that balance who is heard where and after whom."""


def williams(n: int) -> list[list[int]]:
    """Rows of a Williams design: each of `n` items once at each place and, equally often, after
    each other item (Williams 1949); `n` rows, or twice as many where `n` is odd."""
    first = [0]
    for step in range(1, n):
        first.append((n - step // 2) % n if step % 2 == 0 else (step + 1) // 2)
    rows = [[(item + shift) % n for item in first] for shift in range(n)]
    return rows + [row[::-1] for row in rows] if n % 2 and n > 1 else rows
