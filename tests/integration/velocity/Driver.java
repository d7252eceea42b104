import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.StringWriter;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.commons.lang.StringEscapeUtils;
import org.apache.velocity.VelocityContext;
import org.apache.velocity.app.VelocityEngine;

/**
 * Renders templates with Apache Velocity. Each input line is one rendering: space-separated base64 fields, first the
 * template, then pairs of a dotted path and a string value; steps such as [0] make a list, and [] an empty one. Each
 * output line is base64: the rendered text; a second one holds what the template set under context.responseOverride.
 */
public class Driver {
    public static class Input {
        private final Map<String, Object> input;

        Input(Map<String, Object> input) {
            this.input = input;
        }

        public String getBody() {
            return (String) input.get("body");
        }

        public Object params() {
            return input.get("params");
        }

        public Object path(String path) {
            Object value = input.get("root");
            for (String step : path.substring(1).split("\\.")) {
                if (!step.isEmpty()) {
                    value = value instanceof Map ? ((Map<?, ?>) value).get(step) : null;
                }
            }
            return value;
        }
    }

    public static class Util {
        public String escapeJavaScript(String text) {
            return StringEscapeUtils.escapeJavaScript(text);
        }

        public String base64Encode(String text) {
            return Base64.getEncoder().encodeToString(text.getBytes(StandardCharsets.UTF_8));
        }

        public String urlEncode(String text) {
            return URLEncoder.encode(text, StandardCharsets.UTF_8);
        }
    }

    public static void main(String[] args) throws Exception {
        VelocityEngine engine = new VelocityEngine();
        engine.setProperty("runtime.log.logsystem.class", "org.apache.velocity.runtime.log.NullLogChute");
        engine.init();
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            String[] fields = line.split(" ", -1);
            Map<String, Object> root = new LinkedHashMap<>();
            for (int index = 1; index + 1 < fields.length; index += 2) {
                put(root, decode(fields[index]).split("\u0000", -1), decode(fields[index + 1]));
            }
            VelocityContext context = new VelocityContext();
            map(root, "input").replaceAll((name, value) -> withLists(value));
            context.put("input", new Input(map(root, "input")));
            context.put("util", new Util());
            context.put("context", root.get("context"));
            StringWriter out = new StringWriter();
            engine.evaluate(context, out, "template", decode(fields[0]));
            System.out.println(encode(out.toString()));
            System.out.println(encode(map(map(root, "context"), "responseOverride").toString()));
        }
    }

    @SuppressWarnings("unchecked")
    private static Map<String, Object> map(Map<String, Object> parent, String name) {
        return (Map<String, Object>) parent.computeIfAbsent(name, key -> new LinkedHashMap<String, Object>());
    }

    private static Object withLists(Object value) {
        if (!(value instanceof Map)) {
            return value;
        }
        Map<String, Object> converted = new LinkedHashMap<>();
        ((Map<?, ?>) value).forEach((name, inner) -> converted.put((String) name, withLists(inner)));
        if (converted.isEmpty() || !converted.keySet().stream().allMatch(name -> name.matches("\\[[0-9]*\\]"))) {
            return converted;
        }
        converted.remove("[]");
        List<Object> list = new ArrayList<>(converted.values());
        return list;
    }

    private static void put(Map<String, Object> root, String[] path, String value) {
        Map<String, Object> parent = root;
        for (int index = 0; index < path.length - 1; index++) {
            parent = map(parent, path[index]);
        }
        if (!path[path.length - 1].isEmpty()) {
            parent.put(path[path.length - 1], value);
        }
    }

    private static String decode(String field) {
        return new String(Base64.getDecoder().decode(field), StandardCharsets.UTF_8);
    }

    private static String encode(String text) {
        return Base64.getEncoder().encodeToString(text.getBytes(StandardCharsets.UTF_8));
    }
}
