package velostream.oracle;

import org.apache.flink.table.connector.ChangelogMode;
import org.apache.flink.types.RowKind;

/** Changelog modes and kinds as texts: "+I -U +U -D" and the like. */
final class ChangelogModes {
    /** Characters of a kind. */
    static final int KIND_LENGTH = 2;

    private ChangelogModes() {}

    /** The mode with these kinds; null for null. */
    static ChangelogMode of(String kinds) {
        if (kinds == null) {
            return null;
        }
        ChangelogMode.Builder mode = ChangelogMode.newBuilder();
        for (String kind : kinds.split(" ")) {
            mode.addContainedKind(kind(kind));
        }
        return mode.build();
    }

    static RowKind kind(String text) {
        for (RowKind kind : RowKind.values()) {
            if (kind.shortString().equals(text)) {
                return kind;
            }
        }
        throw new IllegalArgumentException("no row kind: " + text);
    }
}
